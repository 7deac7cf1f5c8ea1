---@meta skynet

-- Definitions of `require "skynet"` for editors and checkers. Times are centiseconds (1/100 s) unless a name says
-- otherwise. "Blocks" means that the calling coroutine may wait while other messages of the service are handled;
-- such a function cannot be used in a service's main chunk.

---The runtime's table of functions. Loading other modules (`skynet.manager`, `skynet.queue`) adds to it.
---@class skynet
---@field PTYPE_TEXT 0 log lines; reports to the launcher
---@field PTYPE_RESPONSE 1 answers and expired timers
---@field PTYPE_MULTICAST 2
---@field PTYPE_CLIENT 3 data of a client's connection; also tells an exit monitor of a dead service
---@field PTYPE_SYSTEM 4
---@field PTYPE_HARBOR 5
---@field PTYPE_SOCKET 6
---@field PTYPE_ERROR 7 a request failed (session), or the sender is gone (session 0)
---@field PTYPE_QUEUE 8 skynet.mqueue
---@field PTYPE_DEBUG 9
---@field PTYPE_LUA 10 the usual calls between Lua services
---@field PTYPE_SNAX 11
---@field PTYPE_TRACE 12
---@field cache skynet.codecache
---@field queue (fun(): fun(f: function, ...): ...)? once skynet.queue is loaded
---@field pcall fun(f: function, ...): boolean, ... the plain pcall
local skynet = {}

---A handle, its text `":0000000a"`, a local name `".name"`, or a global name without a dot.
---@alias skynet.address integer|string

---How messages of one type are packed, unpacked and handled.
---@class skynet.protocol
---@field name string
---@field id integer 0..255; from 13 on they are free for applications
---@field pack (fun(...): any, integer?)? makes a message (a string, or a block with its size)
---@field unpack (fun(msg: lightuserdata, sz: integer): ...)? makes values of a message
---@field dispatch skynet.handler?
---@field trace boolean? see skynet.traceproto

---@alias skynet.handler fun(session: integer, source: integer, ...)

-- Protocols

---Registers a message type. Name and id must both be new, else it raises `assertion failed!`.
---@param protocol skynet.protocol
function skynet.register_protocol(protocol) end

---Sets the handler of a type and returns the one before; without a handler it returns the current one, or nil. Each
---message runs the handler in a coroutine of its own, with the session (0: nobody waits for an answer), the sender and
---the unpacked values.
---@param typename string|integer
---@param handler skynet.handler?
---@return skynet.handler?
function skynet.dispatch(typename, handler) end

---Sets what is done with messages of a type that is not registered or has no handler; returns the function before.
---@param f fun(session: integer, source: integer, msg: lightuserdata, sz: integer, prototype: string|integer)
---@return function previous
function skynet.dispatch_unknown_request(f) end

---Sets what is done with an answer that nobody waits for; returns the function before.
---@param f fun(session: integer, source: integer, msg: lightuserdata, sz: integer)
---@return function previous
function skynet.dispatch_unknown_response(f) end

---Handles one message as the runtime would. For functions installed by `skynet.core`'s callback.
---@param kind integer
---@param msg lightuserdata|string|nil
---@param sz integer
---@param session integer
---@param source integer
function skynet.dispatch_message(kind, msg, sz, session, source) end

-- Sending and calling

---Sends a message packed by its type. Returns 0; false if it is too large or was refused by a full mailbox; nil if the
---address does not exist.
---@param addr skynet.address
---@param typename string|integer
---@param ... any
---@return 0|false|nil
function skynet.send(addr, typename, ...) end

---Sends a message that is packed already: a string, or a block with its size, which then belongs to the runtime.
---@param addr skynet.address
---@param typename string|integer
---@param msg string|lightuserdata
---@param sz integer?
---@return 0|false|nil
function skynet.rawsend(addr, typename, msg, sz) end

---Sends a message in the name of another service, with a session of its choice: passes on a request so that the
---receiver answers its author.
---@param addr skynet.address
---@param source integer
---@param typename string|integer
---@param session integer
---@param msg string|lightuserdata
---@param sz integer?
function skynet.redirect(addr, source, typename, session, msg, sz) end

---Sends a request and blocks until the answer is there; returns its values. Raises `call to invalid address` if there
---is no such service, and `call failed` if the other side raised an error, died, or dropped the request.
---@param addr skynet.address
---@param typename string|integer
---@param ... any
---@return any ...
function skynet.call(addr, typename, ...) end

---As call, with a packed message and a packed answer. The answer is valid until the coroutine blocks again. Blocks.
---@param addr skynet.address
---@param typename string|integer
---@param msg string|lightuserdata
---@param sz integer?
---@return lightuserdata msg
---@return integer sz
function skynet.rawcall(addr, typename, msg, sz) end

---As call, but raises `call timeout` when no answer came in time; a late answer is dropped. An addition to skynet (C).
---The config key `calltimeout` sets a deadline for every call and rawcall.
---@param cs integer centiseconds
---@param addr skynet.address
---@param typename string|integer
---@param ... any
---@return any ...
function skynet.timeoutcall(cs, addr, typename, ...) end

---As rawcall, under the given trace tag. Blocks.
---@param tag string
---@param addr skynet.address
---@param typename string|integer
---@param msg string|lightuserdata
---@param sz integer?
---@return lightuserdata msg
---@return integer sz
function skynet.tracecall(tag, addr, typename, msg, sz) end

---Several requests at once. Begin with one, add others by calling the object, then loop over `select`.
---@class skynet.request
---@field timeout true? set if the loop ended because the time was over
---@operator call(skynet.request.item): skynet.request
local Request = {}

---One request: address, type, then the values. Other string keys are left alone, and are there again in the loop.
---@class skynet.request.item
---@field [1] skynet.address
---@field [2] string|integer
---@field [integer] any
---@field n integer? the index of the last value, when that is nil

---Makes a request object, with a first request or empty.
---@param first skynet.request.item?
---@return skynet.request
function skynet.request(first) end

---Adds a request; not after select.
---@param item skynet.request.item
---@return skynet.request
function Request:add(item) end

---Sends all requests and iterates over (request, answer) in the order of the answers: a packed table of the values,
---false if the request failed, nil if its address does not exist. The loop blocks; it ends after the last answer, or
---when the time is over.
---@param cs integer? at most so long
---@return fun(self: skynet.request): skynet.request.item?, table|false|nil
---@return skynet.request
---@return nil
---@return skynet.request
function Request:select(cs) end

---Gives up what is not answered yet. A loop over select does it at its end.
function Request:close() end

-- Answering

---Answers the request that the running coroutine handles. Returns true if the answer was delivered, false if nobody
---waits for one or the requester is gone. A second answer raises `No session`.
---@param msg string|lightuserdata|nil default ""
---@param sz integer?
---@return boolean
function skynet.ret(msg, sz) end

---Packs the values and answers with them; see ret.
---@param ... any
---@return boolean
function skynet.retpack(...) end

---The session and the sender of the message that the running coroutine handles; no session after it was answered.
---@return integer? session
---@return integer? source
function skynet.context() end

---Gives up the request that is being handled: no answer is expected of this coroutine, and none is sent.
function skynet.ignoreret() end

---Takes the request over into a function that answers it later, from anywhere in the service: `r(true, ...)` answers,
---`r(false)` fails it, `r "TEST"` tells whether an answer is still wanted. A second answer raises
---`Can't response more than once`. One that is collected as garbage without having answered fails the request.
---@param pack (fun(...): any, integer?)? default skynet.pack
---@return fun(ok: boolean|"TEST", ...): boolean
function skynet.response(pack) end

-- Time

---Runs a function in a new coroutine after some time; at 0 or less it comes after the messages that are queued already.
---@param cs integer
---@param f function
---@return thread
function skynet.timeout(cs, f) end

---A timer that can be cancelled.
---@class skynet.timer
local Timer = {}

---Cancels the timer. Returns true exactly if its function has not run and now never will.
---@return boolean
function Timer:cancel() end

---Runs a function in a new coroutine after some milliseconds. An addition to skynet (C).
---@param ms integer
---@param f function
---@return skynet.timer
function skynet.timer(ms, f) end

---Blocks for some time. Returns "BREAK" if the token was woken before, else nothing.
---@param cs integer
---@param token any default: the running coroutine
---@return "BREAK"?
function skynet.sleep(cs, token) end

---As sleep, in milliseconds. An addition to skynet (C).
---@param ms integer
---@param token any
---@return "BREAK"?
function skynet.sleepms(ms, token) end

---Lets other messages be handled: sleep(0).
function skynet.yield() end

---Blocks until the token is woken.
---@param token any default: the running coroutine
function skynet.wait(token) end

---Wakes what waits or sleeps under the token, and returns true; else nothing, and nothing is remembered. The woken
---coroutine runs when the running one blocks or ends.
---@param token any
---@return true?
function skynet.wakeup(token) end

---Centiseconds since the start of the node; never goes back.
---@return integer
function skynet.now() end

---The start of the node, seconds UTC.
---@return integer
function skynet.starttime() end

---Seconds UTC, with a resolution of 1/100.
---@return number
function skynet.time() end

---A monotonic clock in nanoseconds.
---@return integer
function skynet.hpc() end

-- Coroutines

---Runs a function in a new coroutine, after the running one has blocked or ended and before the next message.
---@param f function
---@param ... any its arguments
---@return thread
function skynet.fork(f, ...) end

---Ends a waiting coroutine, given itself or as a pattern for its text. The request that it handles fails, its `<close>`
---variables are closed.
---@param thread thread|string
---@return thread?
function skynet.killthread(thread) end

---Shows what waits: without an argument the number of sessions; a table is filled with their tracebacks; a session
---gives its traceback; a thread gives its session; "init" gives the traceback of the start function while that runs.
---@param which? table|integer|thread|"init"
---@return any
function skynet.task(which) end

---The tracebacks of all that waits, equal ones together: "count, sessions" = traceback.
---@return table<string, string>
function skynet.uniqtask() end

---Shows the traceback of the creation of timers in task().
---@param on boolean
function skynet.trace_timeout(on) end

-- The service

---Installs the dispatcher and runs the function, in a coroutine, after those registered by init. The service has
---started when it ends.
---@param f function
function skynet.start(f) end

---Registers a function that runs before the start function, or, in a coroutine, before the `require` of this module
---returns. It may block.
---@param f function
function skynet.init(f) end

---What start runs: the init functions, f, then the report to the launcher. For own forms of start.
---@param f function
function skynet.init_service(f) end

---Ends this service; never returns. What it owes fails, its waiting coroutines are closed.
function skynet.exit() end

---Gives running services the new code of a module; see skynet.reload. Blocks. An addition to skynet (C).
---@param options skynet.reload.options
---@return skynet.reload.result
function skynet.reload(options) end

---Starts a service in the place of another one; see skynet.replace. Blocks. An addition to skynet (C).
---@param addr skynet.address
---@param script string
---@param options skynet.replace.options?
---@return integer handle
function skynet.replace(addr, script, options) end

---Why a service has ended: `exit` by itself; `kill` by another one, whose address is the text; `init`, it could not
---start; `panic`, a service in Rust; `restart`, another one has taken its place, whose address is the text; `memory`,
---`stuck` and `error` by its supervisor; `intensity`, a
---supervisor that gives up; `stop` with the node; `gone`, it had ended before; `lost`, its node cannot be reached.
---@alias skynet.reason "exit"|"kill"|"init"|"panic"|"memory"|"stuck"|"error"|"intensity"|"restart"|"stop"|"gone"|"lost"

---Calls f in a coroutine of its own when another service of this node has ended, once, behind all messages that it has
---sent to this one. For one that is not there it is called at once, with `gone`. An addition to skynet (C).
---@param addr skynet.address
---@param f fun(addr: skynet.address, reason: skynet.reason, text: string?)
---@return integer id for unwatch
function skynet.watch(addr, f) end

---Takes a watch back: its function is not called any more. Nothing happens if it has been called.
---@param id integer
function skynet.unwatch(id) end

---Links this service and another one of this node: when one of them ends otherwise than by its own exit, the other is
---ended too, unless it traps. Raises an error if the other is not there and this one does not trap. An addition to
---skynet (C).
---@param addr skynet.address
function skynet.link(addr) end

---Takes a link back.
---@param addr skynet.address
function skynet.unlink(addr) end

---From now on this service does not end with those it is linked with: f is called instead, in a coroutine of its own.
---nil: it ends with them again.
---@param f fun(addr: skynet.address, reason: skynet.reason, text: string?)?
function skynet.trapexit(f) end

---The handle of this service.
---@return integer
function skynet.self() end

---The text of an address: `":0000000a"` of a handle, a name as it is.
---@param addr any
---@return string
function skynet.address(addr) end

---The handle of a local name.
---@param name string with its dot
---@return integer?
function skynet.localname(name) end

---The harbor id in a handle, and whether that is another node.
---@param handle integer
---@return integer id
---@return boolean remote
function skynet.harbor(handle) end

---A value of the config or environment of the node; always text.
---@param key string
---@return string?
function skynet.getenv(key) end

---Sets a value for the whole node. A key that exists raises `Can't setenv exist key : <key>`.
---@param key string
---@param value string|number
function skynet.setenv(key, value) end

---Starts a Lua service and blocks until its start function has ended. Returns its handle, or nil if it exited
---meanwhile; raises `call failed` if it could not start.
---@param name string
---@param ... string|number arguments of its main chunk
---@return integer?
function skynet.newservice(name, ...) end

---The handle of the service that exists once in the node, started at the first use. With true before the name: once in
---the network. Blocks.
---@param global true|string
---@param ... string|number
---@return integer
---@overload fun(name: string, ...): integer
function skynet.uniqueservice(global, ...) end

---As uniqueservice, but waits until somebody else starts it.
---@param global true|string
---@param name string?
---@return integer
---@overload fun(name: string): integer
function skynet.queryservice(global, name) end

---Sets a limit for the Lua memory of this service. In the main chunk only, once.
---@param bytes integer
function skynet.memlimit(bytes) end

---Sets a limit for this service's mailbox; nil takes it away. "warn" (default) logs, "refuse" makes sends return false
---and calls fail. An addition to skynet (C).
---@param n integer?
---@param policy "warn"|"refuse"|nil
function skynet.mqlimit(n, policy) end

---The number of messages that wait.
---@return integer
function skynet.mqlen() end

---The age of the oldest waiting message in milliseconds, 0 if none waits. An addition to skynet (C).
---@return integer
function skynet.mqage() end

---A figure about this service: waiting messages, seconds of CPU in all and for the current message, messages handled,
---the endless flag.
---@param what "mqlen"|"mqage"|"cpu"|"time"|"message"|"endless"
---@return number
function skynet.stat(what) end

---Whether this service was seen in an endless loop since the last call.
---@return boolean
function skynet.endless() end

---Sets what the debug command INFO answers.
---@param f function
function skynet.info_func(f) end

---Behaves as if the address had died: fails all calls that wait for exactly this value. The running request can no
---longer be answered.
---@param addr skynet.address
function skynet.term(addr) end

-- Log and trace

---Writes one log line: the values as text, joined by blanks.
---@param ... any
function skynet.error(...) end

---Writes a trace line; see skynet.core.trace.
---@param tag string
---@param text string
---@param co thread|integer|nil
---@param level integer?
function skynet.tracelog(tag, text, co, level) end

---Starts to trace the running coroutine: its calls, sleeps and answers, through all services, appear in the log under
---one tag.
---@param info string?
function skynet.trace(info) end

---The trace tag of the running coroutine: false if tracing is forced off for its protocol, nil without one.
---@return string|false|nil
function skynet.tracetag() end

---Traces each request of a type (true), none (false), or those that come with a tag (nil).
---@param typename string|integer
---@param flag boolean?
function skynet.traceproto(typename, flag) end

-- Messages

---Packs values into a block that the caller owns, until he sends or frees it.
---@param ... any
---@return lightuserdata msg
---@return integer sz
function skynet.pack(...) end

---Packs values into a string.
---@param ... any
---@return string
function skynet.packstring(...) end

---The values of a packed block or string.
---@param msg lightuserdata|string|nil
---@param sz integer?
---@return any ...
function skynet.unpack(msg, sz) end

---A block as a string.
---@param msg lightuserdata|string|nil
---@param sz integer?
---@return string?
function skynet.tostring(msg, sz) end

---Frees a block; strings are left alone.
---@param msg lightuserdata|string|nil
---@param sz integer?
function skynet.trash(msg, sz) end

---A new session id.
---@return integer
function skynet.genid() end

return skynet
