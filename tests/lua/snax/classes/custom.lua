-- Needs globals that only snax_interface_g gives to a client.
assert(marker == "custom", "no marker")
marker_seen = true

function response.marker()
	return marker
end
