-- Planets: floating point numbers in fields.
local n = tonumber((...)) or 1500
local sqrt = math.sqrt

local bodies = {}
for i = 1, 5 do
	bodies[i] = {
		x = i * 1.7, y = i * i * 0.3 - 2, z = 0.1 * i,
		vx = 0.01 * (3 - i), vy = 0.02 * i, vz = 0.005 * i, mass = i == 1 and 39.5 or 0.04 / i,
	}
end

local function advance(dt)
	for i = 1, #bodies do
		local a = bodies[i]
		for j = i + 1, #bodies do
			local b = bodies[j]
			local dx, dy, dz = a.x - b.x, a.y - b.y, a.z - b.z
			local square = dx * dx + dy * dy + dz * dz
			local mag = dt / (square * sqrt(square))
			local ma, mb = a.mass * mag, b.mass * mag
			a.vx, a.vy, a.vz = a.vx - dx * mb, a.vy - dy * mb, a.vz - dz * mb
			b.vx, b.vy, b.vz = b.vx + dx * ma, b.vy + dy * ma, b.vz + dz * ma
		end
	end
	for i = 1, #bodies do
		local a = bodies[i]
		a.x, a.y, a.z = a.x + dt * a.vx, a.y + dt * a.vy, a.z + dt * a.vz
	end
end

for _ = 1, n do
	advance(0.001)
end
print(string.format("%.6f %.6f", bodies[1].x, bodies[5].vy))
