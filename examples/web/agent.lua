-- Serves the connections that it is handed.

local skynet = require "skynet"
local server = require "skynet.http.server"
local url = require "http.url"

local count = 0
local pages = {}

pages["/hello"] = function(request)
	return 200, "hello " .. (url.parse_query(request.query).who or "nobody")
end

pages["/sum"] = function(request)
	local sum = 0
	for number in request:body():gmatch "%d+" do
		sum = sum + number
	end
	return 200, ("%d"):format(sum), { ["content-type"] = "text/plain" }
end

-- A body that is made while it is sent.
pages["/numbers"] = function()
	local i = 0
	return 200, function()
		i = i + 1
		return i <= 5 and i .. (i < 5 and "\n" or "") or nil
	end
end

local options = {
	handler = function(request)
		count = count + 1
		local page = pages[request.path]
		if page then
			return page(request)
		end
		return 404, "there is no " .. request.path
	end,
}

local command = {}

function command.serve(id, addr)
	server.serve(id, addr, options)
end

function command.count()
	return count
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		if name == "serve" then
			skynet.ignoreret()
			return command.serve(...)
		end
		skynet.retpack(command[name](...))
	end)
end)
