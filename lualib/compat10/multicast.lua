-- The old name of skynet.multicast.
return require "skynet.multicast"
