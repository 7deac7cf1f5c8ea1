-- The functions of cjson, which return nil and a message where those raise.
return require "skynet.json.core".safe
