-- The name that programs of skynet (C) use for skynet.db.mongo.
return require "skynet.db.mongo"
