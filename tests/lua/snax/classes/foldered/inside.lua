local inside = { value = "inside" }

function inside.seen()
	return visible
end

return inside
