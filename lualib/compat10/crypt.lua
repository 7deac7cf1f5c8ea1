-- The old name of skynet.crypt.
return require "skynet.crypt"
