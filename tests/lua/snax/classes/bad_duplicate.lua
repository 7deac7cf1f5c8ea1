function accept.f() end
function accept.f() end
