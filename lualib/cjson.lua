-- JSON, as the Lua library of that name does it.
return require "skynet.json.core".cjson
