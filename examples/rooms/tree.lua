-- What a node with rooms consists of.

return {
	strategy = "one_for_one",
	{ id = "rooms", service = "rooms", probe = 300 },
	-- There is one match-maker among all nodes; this one only says that it may run here.
	{ id = "candidate", service = "candidate", restart = "transient" },
}
