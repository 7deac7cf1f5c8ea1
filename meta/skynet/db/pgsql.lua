---@meta skynet.db.pgsql

---PostgreSQL: queries, transactions, COPY, LISTEN. A connection that is lost is made again with the next query.
---
---Errors of the server are raised as tables (skynet.db.pgsql.error), which `tostring` makes a line of. A lost connection
---raises `socketchannel.error`, an answer that is late `socketchannel.timeout`. A query that was under way when its
---connection was lost is not sent again.
---@class skynet.db.pgsql
---@field null any NULL in an array, and as a parameter
local pgsql = {}

---@class skynet.db.pgsql.conf
---@field host string? default 127.0.0.1
---@field port integer? default 5432
---@field user string
---@field password string?
---@field database string? default: the name of the user
---@field tls skynet.socket.tls|boolean? the connection has TLS; the server is verified by `host`, unless there is a name
---@field cleartext boolean? the password itself may be sent without TLS, if the server wants it
---@field timeout integer? centiseconds for each query and for connecting; default: the config key calltimeout
---@field maxreply integer? bytes of an answer; default 1 GiB
---@field json (fun(text: string): any)? decodes columns of the types json and jsonb
---@field on_notice fun(notice: skynet.db.pgsql.error)? is told of notices and warnings
---@field application_name string? default skynet

---@class skynet.db.pgsql.error
---@field severity string ERROR, FATAL, PANIC; of notices WARNING, NOTICE and the like
---@field sqlstate string five letters, such as 23505; also as `code`
---@field message string
---@field detail string?
---@field hint string?
---@field position integer? in the text of the query, in characters
---@field where string?
---@field schema string?
---@field table string?
---@field column string?
---@field datatype string?
---@field constraint string?

---The rows of a query, each a table by the names of its columns.
---@class skynet.db.pgsql.result
---@field command string such as INSERT 0 2
---@field count integer? how many rows there are, or were changed
---@field columns string[]? the names in their order

---Connects. Blocks.
---@param conf skynet.db.pgsql.conf|string a table, or postgres://user:password@host:port/database?sslmode=verify-full
---@return skynet.db.pgsql.connection
function pgsql.connect(conf) end

---A list as a parameter of an array type. Lists in it are further dimensions; `pgsql.null` is NULL, and so is nil
---below `list.n`.
---@param list any[]
---@return string
function pgsql.array(list) end

---Bytes as a parameter of the type bytea.
---@param bytes string
---@return string
function pgsql.bytea(bytes) end

---A text in quotes, as a literal of SQL.
---@param text string
---@return string
function pgsql.quote(text) end

---A name in quotes, as an identifier of SQL.
---@param name string
---@return string
function pgsql.identifier(name) end

---@class skynet.db.pgsql.connection
local connection = {}

---Sends a query. Without parameters it may have several statements, whose results are several values. With parameters
---($1, $2, …: strings, numbers, booleans, nil) it is prepared once for the connection. Blocks.
---@param sql string
---@param ... any
---@return skynet.db.pgsql.result ...
function connection:query(sql, ...) end

---Sends data to a COPY … FROM STDIN. Blocks.
---@param sql string
---@param source string|string[]|fun(): string? all of it, pieces of it, or what returns the next piece; if that raises, nothing is copied
---@return skynet.db.pgsql.result
function connection:copy_in(sql, source) end

---The lines of a COPY … TO STDOUT; with `sink` each is given to it instead. Blocks.
---@param sql string
---@param sink fun(line: string)?
---@return skynet.db.pgsql.result lines
function connection:copy_out(sql, sink) end

---Runs f(tx) in a transaction, and returns its results. `tx` has `query`, `copy_in` and `copy_out`; other queries of the
---connection wait until it has ended. An error of f, or of COMMIT, undoes it and is raised. Blocks.
---@param f fun(tx: skynet.db.pgsql.connection): ...
---@param mode string? such as ISOLATION LEVEL SERIALIZABLE
---@return any ...
function connection:transaction(f, mode) end

---Runs f(payload, name, pid) in a coroutine of its own for each message of NOTIFY under a name. The messages have a
---connection of their own, which is made again if it is lost; what is sent meanwhile is missed. Blocks.
---@param name string
---@param f fun(payload: string, name: string, pid: integer)
function connection:listen(name, f) end

---Ends that. Blocks.
---@param name string
function connection:unlisten(name) end

---Sends a message to all that listen. Blocks.
---@param name string
---@param payload string?
function connection:notify(name, payload) end

---Asks the server to give up the query that it works on for this connection; the query then fails with 57014. Blocks.
function connection:cancel() end

---What has happened to the connection; see skynet.socketchannel.
---@return skynet.socketchannel.stats
function connection:stats() end

---Closes it. What waits for an answer fails.
function connection:disconnect() end

return pgsql
