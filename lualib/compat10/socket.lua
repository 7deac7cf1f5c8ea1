-- The old name of skynet.socket.
return require "skynet.socket"
