-- The old name of skynet.snax.
return require "skynet.snax"
