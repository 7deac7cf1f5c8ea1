-- What a supervisor decides, against a model that is told in another way: as rules about each child. SEED and CASES can
-- be set in the config.
local skynet = require "skynet"
local policy = require "skynet.supervisor.policy"
local check = require "check"

local role, case = {}, {}

local STRATEGIES <const> = { "one_for_one", "one_for_all", "rest_for_one" }
local RESTARTS <const> = { "permanent", "transient", "temporary" }
local REASONS <const> = { "exit", "kill", "init", "panic", "memory", "stuck", "error", "intensity", "gone" }

-- The model: for each child its place, and whether it is a child and runs; and all times at which something was started
-- again.
local function model_of(settings, specs)
	local state, times = {}, {}
	for place, spec in ipairs(specs) do
		state[spec.id] = { place = place, child = true, runs = true, restart = spec.restart }
	end

	local function concerns(dead, other)
		if settings.strategy == "one_for_all" then
			return true
		elseif settings.strategy == "rest_for_one" then
			return other.place >= dead.place
		end
		return other == dead
	end

	local function in_place(order, wanted)
		local ids = {}
		for id, one in pairs(state) do
			if one.child and wanted(one) then
				ids[#ids + 1] = id
			end
		end
		table.sort(ids, function(a, b)
			if order == "down" then
				a, b = b, a
			end
			return state[a].place < state[b].place
		end)
		return ids
	end

	return state, function(id, reason, now)
		local dead = state[id]
		dead.runs = false
		local comes_back = dead.restart == "permanent" or dead.restart == "transient" and reason ~= "exit"
		if not comes_back then
			dead.child = dead.restart ~= "temporary"
			return { what = dead.child and "leave" or "forget" }
		end
		table.insert(times, now)
		local recent = 0
		for _, time in ipairs(times) do
			recent = recent + (time > now - settings.period * 1000 and 1 or 0)
		end
		if recent > settings.intensity then
			return { what = "give up" }
		end
		local want = { what = "restart" }
		want.stop = in_place("down", function(one)
			return one.runs and concerns(dead, one)
		end)
		want.forget = in_place("up", function(one)
			return concerns(dead, one) and one.restart == "temporary"
		end)
		want.start = in_place("up", function(one)
			return concerns(dead, one) and one.restart ~= "temporary"
		end)
		for _, other in ipairs(want.stop) do
			state[other].runs = false
		end
		for _, other in ipairs(want.forget) do
			state[other].child = false
		end
		for _, other in ipairs(want.start) do
			state[other].runs = true
		end
		return want
	end
end

local function pick(list)
	return list[math.random(#list)]
end

local function play(seed)
	math.randomseed(seed)
	local settings = { strategy = pick(STRATEGIES), intensity = math.random(0, 6), period = math.random(1, 10), backoff = { 0 } }
	local specs = {}
	for n = 1, math.random(1, 6) do
		specs[n] = { id = "c" .. n, restart = pick(RESTARTS) }
	end
	local subject = policy.new(settings, specs)
	for _, spec in ipairs(specs) do
		subject:started(spec.id, 0)
	end
	local state, expected = model_of(settings, specs)
	local now = 0
	for _ = 1, 30 do
		now = now + math.random(0, 2000)
		local candidates = subject:running()
		if #candidates == 0 then
			return
		end
		local id, reason = pick(candidates), pick(REASONS)
		local got, want = subject:ended(id, reason, now), expected(id, reason, now)
		got.delay = nil
		if not check.same(got, want) then
			return ("seed %d: %s of %s: got %s, want %s"):format(seed, reason, id, check.show(got), check.show(want))
		elseif got.what == "give up" then
			return
		end
		for _, other in ipairs(got.start or {}) do
			subject:started(other, now)
		end
		for other, one in pairs(state) do
			local runs = false
			for _, running in ipairs(subject:running()) do
				runs = runs or running == other
			end
			if runs ~= (one.child and one.runs) then
				return ("seed %d: %s runs: %s"):format(seed, other, runs)
			end
		end
	end
end

function case.model()
	local first = tonumber(skynet.getenv "SEED") or 1
	local wrong
	for seed = first, first + (tonumber(skynet.getenv "CASES") or 10000) - 1 do
		wrong = wrong or play(seed)
	end
	check.eq("all as the model says", wrong, nil)
end

function case.delays()
	local settings = { strategy = "one_for_one", intensity = 100, period = 5, backoff = { 0, 100, 1000 } }
	local subject = policy.new(settings, { { id = "a", restart = "permanent" },
		{ id = "b", restart = "permanent", backoff = { 7 } } })
	subject:started("a", 0)
	subject:started("b", 0)
	local got, now = {}, 10
	for _ = 1, 5 do
		got[#got + 1] = subject:ended("a", "kill", now).delay
		subject:started("a", now)
		now = now + 1000
	end
	check.eq("longer and longer", got, { 0, 100, 1000, 1000, 1000 })
	check.eq("another child has its own", subject:ended("b", "kill", now).delay, 7)
	check.eq("anew after a period of life", subject:ended("a", "kill", now + 5000).delay, 0)
end

return check.main(role, case, ...)
