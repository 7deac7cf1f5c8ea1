function response.f() end
assert(response.f == nil and next(response) == nil)
function response.g() return 'fine' end
