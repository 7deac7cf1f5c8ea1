function accept.f() end
function response.f() return 'both' end
