-- The old name of skynet.netpack.
return require "skynet.netpack"
