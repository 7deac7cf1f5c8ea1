-- A login server with as many slaves as a busy one has.
local login = require "snax.loginserver"

login {
	host = "127.0.0.1",
	port = tonumber(os.getenv "BENCH_PORT"),
	name = "bench_login",
	instance = 8,
	auth_handler = function(token) return "server", token end,
	login_handler = function(_, uid) return uid end,
	command_handler = function() end,
}
