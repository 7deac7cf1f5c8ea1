-- Where the nodes are. One node may listen at several addresses, each with a name of its own.
db = "127.0.0.1:2528"
db2 = "127.0.0.1:2529"
