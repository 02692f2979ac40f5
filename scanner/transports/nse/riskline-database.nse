local nmap = require "nmap"
local shortport = require "shortport"
local string = require "string"

description = [[
Asks PostgreSQL, MySQL or MongoDB whether it lets anybody in without a password: as "postgres", as "root" and as nobody,
each once and with nothing for a password. Of MongoDB it asks for the names of its databases. Nothing else is read.
]]
author = "Riskline"
license = "Apache-2.0"
categories = {"safe", "discovery"}

portrule = shortport.port_or_service({3306, 5432, 27017}, {"mongod", "mongodb", "mysql", "postgresql"})

local TIMEOUT = 10000

local function connected(host, port)
  local socket = nmap.new_socket()
  socket:set_timeout(TIMEOUT)
  local status, why = socket:connect(host, port)
  return status and socket, why
end

local function read(socket, count)
  local status, bytes = socket:receive_buf(function(buffer)
    if #buffer >= count then
      return count, count
    end
  end, true)
  return status and bytes or nil
end

-- PostgreSQL, protocol 3.0: documentation of PostgreSQL, "Message Formats".

local POSTGRES_USER = string.pack(">I4zzzzz", 196608, "user", "postgres", "database", "postgres", "")
local POSTGRES_HELLO = string.pack(">I4", #POSTGRES_USER + 4) .. POSTGRES_USER
local POSTGRES_TLS = string.pack(">I4I4", 8, 80877103)

local function postgres_answer(socket)
  if not socket:send(POSTGRES_HELLO) then
    return nil, "the connection broke"
  end
  local kind = read(socket, 5)
  if not kind then
    return nil, "no answer"
  end
  local length = string.unpack(">I4", kind, 2)
  if length < 8 or length > 4096 then
    return nil, "an answer of another protocol"
  end
  local body = read(socket, length - 4)
  if not body then
    return nil, "half an answer"
  end
  if kind:sub(1, 1) == "R" then
    return string.unpack(">I4", body) == 0 and "accepted" or "refused", "0"
  end
  local state = kind:sub(1, 1) == "E" and body:match("\0C(%w+)\0") or nil
  if state == "28000" or state == "28P01" then
    return "refused", state
  end
  return nil, ("answered %s"):format(state or "something else")
end

local function postgres(host, port)
  local socket, why = connected(host, port)
  if not socket then
    return nil, why
  end
  local said, code = postgres_answer(socket)
  socket:close()
  if said ~= "refused" or code ~= "28000" then
    return said, code
  end
  -- no line for connections without TLS: there may be one for those with it
  socket = connected(host, port)
  if not socket or not socket:send(POSTGRES_TLS) then
    return said, code
  end
  if read(socket, 1) == "S" and socket:reconnect_ssl() then
    said, code = postgres_answer(socket)
  end
  socket:close()
  return said, code
end

-- MySQL and MariaDB: documentation of MySQL's client/server protocol, "Connection Phase".

local function mysql_packet(socket)
  local head = read(socket, 4)
  local length, number = 0, 0
  if head then
    length, number = string.unpack("<I3B", head)
  end
  if length == 0 or length > 65536 then
    return nil
  end
  return read(socket, length), number
end

-- long password, protocol 4.1, secure connection, plug-in of one's own choice
local MYSQL_FLAGS = 0x88201
local MYSQL_TLS = 0x800
local MYSQL_REFUSALS = {[1044] = true, [1045] = true, [1130] = true, [1698] = true}

local function mysql_verdict(packet)
  local first = packet:byte()
  if first == 0x00 then
    return "accepted", "0"
  elseif first == 0xff and #packet >= 3 then
    local code = string.unpack("<I2", packet, 2)
    if MYSQL_REFUSALS[code] then
      return "refused", tostring(code)
    end
    return nil, ("answered %d"):format(code)
  end
  return nil, "an answer of another protocol"
end

local function mysql_offers_tls(greeting)
  local at = select(2, greeting:find("\0", 2, true))
  return at and #greeting >= at + 15 and string.unpack("<I2", greeting, at + 14) & MYSQL_TLS ~= 0
end

local function mysql_login(socket, user, number, flags)
  local head = string.pack("<I4I4B", flags, 1 << 24, 33) .. ("\0"):rep(23)
  if flags & MYSQL_TLS ~= 0 then
    socket:send(string.pack("<I3B", #head, number) .. head)
    if not socket:reconnect_ssl() then
      return nil
    end
    number = number + 1
  end
  local login = head .. string.pack("<zs1z", user, "", "mysql_native_password")
  socket:send(string.pack("<I3B", #login, number) .. login)
  local packet
  packet, number = mysql_packet(socket)
  if packet and packet:byte() == 0xfe then
    -- another plug-in is asked for: an empty password is an empty packet in each
    socket:send(string.pack("<I3B", 0, number + 1))
    packet = mysql_packet(socket)
  end
  return packet
end

local function mysql_as(host, port, user, flags)
  local socket, why = connected(host, port)
  if not socket then
    return nil, why
  end
  local greeting = mysql_packet(socket)
  if not greeting or greeting:byte() ~= 10 then
    socket:close()
    return mysql_verdict(greeting or "?")
  end
  local packet = mysql_login(socket, user, 1, flags)
  socket:close()
  if not packet then
    return nil, "no answer to the login"
  end
  local said, code = mysql_verdict(packet)
  return said, code, mysql_offers_tls(greeting)
end

local function mysql(host, port)
  local said, code, tls
  for _, user in ipairs({"root", ""}) do
    said, code, tls = mysql_as(host, port, user, MYSQL_FLAGS)
    if said == "refused" and tls then
      -- an account may be for connections with TLS only
      said, code = mysql_as(host, port, user, MYSQL_FLAGS | MYSQL_TLS)
    end
    if said ~= "refused" then
      return said, code
    end
  end
  return said, code
end

-- MongoDB: documentation of MongoDB's wire protocol, OP_MSG; before 3.6 OP_QUERY.

local MONGO_QUESTION = "\x10listDatabases\0" .. string.pack("<I4", 1) .. "\x08nameOnly\0\x01"

local function mongo_document(more)
  local inside = MONGO_QUESTION .. more .. "\0"
  return string.pack("<I4", #inside + 4) .. inside
end

local MONGO_FORMS = {
  {2013, string.pack("<I4B", 0, 0) .. mongo_document("\x02$db\0" .. string.pack("<s4", "admin\0"))},
  {2004, string.pack("<I4zI4i4", 0, "admin.$cmd", 0, -1) .. mongo_document("")},
}

local function mongo_asked(host, port, form)
  local socket, why = connected(host, port)
  if not socket then
    return nil, why
  end
  socket:send(string.pack("<I4I4I4I4", #form[2] + 16, 1, 0, form[1]) .. form[2])
  local head = read(socket, 16)
  local length = head and string.unpack("<I4", head) or 0
  local body = length > 16 and length <= 1 << 20 and read(socket, length - 16) or nil
  socket:close()
  if not body then
    return nil, "no answer"
  end
  local _, at = body:find("\x01ok\0", 1, true)
  if at and #body >= at + 8 then
    if string.unpack("<d", body, at + 1) == 1.0 then
      return "accepted", "0"
    end
  end
  _, at = body:find("\x10code\0", 1, true)
  local code = at and #body >= at + 4 and string.unpack("<i4", body, at + 1) or nil
  -- 13 Unauthorized, 18 AuthenticationFailed
  if code == 13 or code == 18 then
    return "refused", tostring(code)
  end
  return nil, ("answered %s"):format(code or "something else")
end

local function mongo(host, port)
  for _, form in ipairs(MONGO_FORMS) do
    local said, code = mongo_asked(host, port, form)
    if said then
      return said, code
    end
  end
  return nil, "no answer that tells"
end

local BY_SERVICE = {mongod = mongo, mongodb = mongo, mysql = mysql, postgresql = postgres}
local BY_NUMBER = {[3306] = mysql, [5432] = postgres, [27017] = mongo}
local NAMES = {[mongo] = "MongoDB", [mysql] = "MySQL", [postgres] = "PostgreSQL"}

action = function(host, port)
  local ask = BY_SERVICE[port.service] or BY_NUMBER[port.number]
  local said, code = ask(host, port)
  if not said then
    -- other scripts may be keeping all its connections
    said, code = ask(host, port)
  end
  if not said then
    return ("ERROR: %s"):format(code or "no answer")
  end
  return {login = said, code = code, name = NAMES[ask]}
end
