local skynet = require "skynet"

skynet.sleep(1)
error "module goes wrong"
