response.f = 1
