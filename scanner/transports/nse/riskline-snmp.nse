local nmap = require "nmap"
local shortport = require "shortport"
local string = require "string"
local table = require "table"

description = [[
Asks for the description of the system (sysDescr.0) with the communities that agents come with, in versions 1 and 2c.
An agent that knows none of them says nothing. Without the right to send raw packets the port was not looked at before;
then a host says by itself that nothing listens there.
]]
author = "Riskline"
license = "Apache-2.0"
categories = {"safe", "discovery"}

portrule = shortport.port_or_service(161, "snmp", "udp", {"open", "open|filtered"})

-- An ordinary user may ask one port of a host, although nmap may not scan it for him.
hostrule = function()
  return not nmap.is_privileged()
end

local COMMUNITIES = {"public", "private"}
local SYS_DESCR = "\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00"

local function of(tag, content)
  return string.char(tag, #content) .. content
end

-- RFC 3416, section 3; RFC 1901: of the older versions only the number differs.
local function question(version, community, id)
  local wanted = of(0x30, of(0x30, SYS_DESCR .. "\x05\x00"))
  local asked = of(0xa0, of(0x02, string.pack(">I4", id)) .. "\x02\x01\x00\x02\x01\x00" .. wanted)
  return of(0x30, of(0x02, string.char(version)) .. of(0x04, community) .. asked)
end

-- The identifier and the type GetResponse: whatever it says, the community was taken.
local function answers(text, id)
  local at = text:find("\x02\x04" .. string.pack(">I4", id), 1, true)
  return at ~= nil and text:sub(1, at):find("\xa2", 1, true) ~= nil
end

local function id_of(community, version)
  return 0x524c0000 + community * 2 + version
end

-- All questions at once: a wrong community is answered by silence, and waiting for each would take long.
-- Whether the host refused one: a refusal comes with the next thing that the socket is used for.
local function ask(socket)
  local refused = false
  for number, community in ipairs(COMMUNITIES) do
    for version = 0, 1 do
      local status, why = socket:send(question(version, community, id_of(number, version)))
      refused = refused or (not status and why == "ERROR")
    end
  end
  return refused
end

local function heard(socket, taken)
  local status, said = socket:receive()
  while status do
    for number, community in ipairs(COMMUNITIES) do
      for version = 0, 1 do
        taken[community] = taken[community] or answers(said, id_of(number, version))
      end
    end
    status, said = socket:receive()
  end
  return said == "ERROR"
end

action = function(host, port)
  local taken, found, refused = {}, {}, false
  local socket = nmap.new_socket("udp")
  socket:set_timeout(2000)
  if socket:connect(host, port or {number = 161, protocol = "udp"}) then
    -- twice: a datagram may be lost
    for _ = 1, 2 do
      refused = ask(socket) or refused
      refused = heard(socket, taken) or refused
    end
  end
  socket:close()
  for _, community in ipairs(COMMUNITIES) do
    if taken[community] then
      table.insert(found, community)
    end
  end
  if #found > 0 then
    if port then
      nmap.set_port_state(host, port, "open")
    end
    return {communities = table.concat(found, ", ")}
  end
  if not port and refused then
    return {closed = "yes"}
  end
end
