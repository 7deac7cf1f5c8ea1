-- The files in which a system says who knows names: hosts and resolv.conf.

local core = require "skynet.dns.core"

local files = {}

-- The words of each line that has some, without comments. A file that is not there has none; whether it was there.
local function lines(path, each)
	local file = path and io.open(path)
	if not file then
		return false
	end
	for line in file:lines() do
		local words = {}
		for word in line:match "^[^#;]*":gmatch "%S+" do
			words[#words + 1] = word
		end
		if words[1] then
			each(words)
		end
	end
	file:close()
	return true
end

-- name -> { v4 = addresses, v6 = addresses }; nil if there is no such file.
function files.hosts(path)
	local hosts = {}
	local found = lines(path, function(words)
		local address = words[1]
		local family = address:find "^[%d.]+$" and "v4" or address:find(":", 1, true) and "v6"
		if not family then
			return
		end
		for i = 2, #words do
			local name = words[i]:lower()
			local host = hosts[name]
			if not host then
				host = { v4 = {}, v6 = {} }
				hosts[name] = host
			end
			table.insert(host[family], address)
		end
	end)
	return found and hosts or nil
end

local function option(words, name, default, most)
	for _, word in ipairs(words) do
		local value = word:match("^" .. name .. ":(%d+)$")
		if value then
			return math.min(tonumber(value), most)
		end
	end
	return default
end

-- A server by its address, with or without a port; nil for what is none.
function files.server(text, port)
	local ip, own = core.address(text), nil
	if not ip then
		ip, own = text:match "^%[?([^%]]*)%]?:(%d+)$"
		ip = ip and core.address(ip)
	end
	return ip and { ip = ip, port = math.tointeger(tonumber(own)) or port }
end

-- Servers (ip, port), search domains, and how to ask.
function files.resolv(path)
	local conf = { servers = {}, search = {}, ndots = 1 }
	lines(path, function(words)
		local key = table.remove(words, 1)
		if key == "nameserver" then
			if words[1] and #conf.servers < 3 then
				conf.servers[#conf.servers + 1] = files.server(words[1], 53)
			end
		elseif key == "search" or key == "domain" then -- the last one counts
			conf.search = {}
			for i = 1, math.min(#words, 6) do
				conf.search[i] = words[i]:lower():gsub("%.$", "")
			end
		elseif key == "options" then
			conf.ndots = option(words, "ndots", conf.ndots, 15)
			conf.timeout = option(words, "timeout", conf.timeout, 30)
			conf.attempts = option(words, "attempts", conf.attempts, 5)
		end
	end)
	return conf
end

return files
