-- All of it is native; the two names are one table.
return require "md5.core"
