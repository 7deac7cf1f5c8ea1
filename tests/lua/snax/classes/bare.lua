-- Has neither init nor exit.
function accept.same() end

function response.same()
	return "response"
end

function response.answer()
	return 42
end
