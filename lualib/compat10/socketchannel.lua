-- The old name of skynet.socketchannel.
return require "skynet.socketchannel"
