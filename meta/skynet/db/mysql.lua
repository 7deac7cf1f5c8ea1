---@meta skynet.db.mysql

---MySQL and MariaDB: queries, prepared statements, several results. Any number of coroutines of a service may use one
---object: their queries go out in the order of the calls, and each gets its own answer. A transaction belongs to the
---connection, so give it an object of its own.
---@class skynet.db.mysql
local mysql = {}

---@class skynet.db.mysql.conf
---@field host string
---@field port integer? 3306 by default
---@field user string?
---@field password string?
---@field database string?
---@field charset string? such as utf8mb4
---@field max_packet_size integer? only announced
---@field compact_arrays boolean? rows are arrays
---@field on_connect fun(db: skynet.db.mysql.connection)? after each login; if it raises, the login has failed
---@field reconnect boolean? false: a lost connection is not made again, which several calls of a transaction need
---@field overload fun(high: boolean)? see skynet.socketchannel
---@field timeout integer? deadline of each call in centiseconds; the config key `calltimeout` by default
---@field tls skynet.socket.tls|true|nil TLS, with these options; the server is verified
---@field server_public_key string? the server's public RSA key as PEM (its file `public_key.pem`): a password that the
---  server asks for is enciphered with it where there is no TLS
---@field get_server_public_key boolean? asks the server for that key; whoever can change what goes over the network can
---  then learn the password
---@field maxreply integer? the longest answer in bytes, 1 GiB by default

---A connection. Connects once; raises `socketchannel.error` if that or the login fails, and logs why. A lost connection
---is made again by the next call. Blocks.
---@param conf skynet.db.mysql.conf
---@return skynet.db.mysql.connection
function mysql.connect(conf) end

---A string as a literal of SQL, with its quotes.
---@param text string
---@return string
function mysql.quote_sql_str(text) end

---What a query gives. An error of SQL is a table with `badresult`; a change has the numbers of rows; a select is a list
---of rows, by the names of the columns or as arrays, in which NULL is nil. Several results are a list of these, with
---`multiresultset` (`mulitresultset` of `execute`); an error in a later one is told in the list itself.
---@class skynet.db.mysql.result: { [integer]: table }
---@field badresult boolean?
---@field err string?
---@field errno integer?
---@field sqlstate string?
---@field affected_rows integer?
---@field insert_id integer?
---@field server_status integer?
---@field warning_count integer?
---@field message string?
---@field multiresultset boolean?
---@field mulitresultset boolean?

---@class skynet.db.mysql.statement
---@field prepare_id integer
---@field param_count integer
---@field field_count integer
---@field warning_count integer
---@field params { name: string, type: integer, is_signed: boolean? }[]
---@field fields { name: string, type: integer, is_signed: boolean? }[]

---A connection.
---@class skynet.db.mysql.connection
---@field sockchannel skynet.socketchannel.channel
---@field compact boolean?
local connection = {}

---Runs SQL as text, several statements too. Blocks.
---@param sql string
---@return skynet.db.mysql.result
function connection:query(sql) end

---Prepares a statement, which is known to this connection only: after a connection was lost, prepare it again. Blocks.
---@param sql string with a ? for each parameter
---@return skynet.db.mysql.statement|skynet.db.mysql.result
function connection:prepare(sql) end

---Runs a statement. Numbers, strings, booleans and nil are parameters. Blocks.
---@param stmt skynet.db.mysql.statement
---@param ... any
---@return skynet.db.mysql.result
function connection:execute(stmt, ...) end

---Forgets what a statement has been sent. Blocks.
---@param stmt skynet.db.mysql.statement
---@return skynet.db.mysql.result
function connection:stmt_reset(stmt) end

---Ends a statement; nothing is awaited.
---@param stmt skynet.db.mysql.statement
function connection:stmt_close(stmt) end

---Asks whether the server is there. Blocks.
---@return skynet.db.mysql.result
function connection:ping() end

---The server's version.
---@return string
function connection:server_ver() end

---Rows are arrays (true) or tables by name from the next answer on.
---@param flag boolean
function connection:set_compact_arrays(flag) end

---What has happened so far; see skynet.socketchannel.
---@return skynet.socketchannel.stats
function connection:stats() end

---Closes the connection; all who wait get `socketchannel.error`. The object is of no use afterwards.
function connection:disconnect() end

return mysql
