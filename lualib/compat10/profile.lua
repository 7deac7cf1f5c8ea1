-- The old name of skynet.profile.
return require "skynet.profile"
