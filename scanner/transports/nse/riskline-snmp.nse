local nmap = require "nmap"
local shortport = require "shortport"
local string = require "string"
local table = require "table"

description = [[
Asks for the description of the system (sysDescr.0) with the communities that agents come with, in versions 1 and 2c.
An agent that knows none of them says nothing.
]]
author = "Riskline"
license = "Apache-2.0"
categories = {"safe", "discovery"}

portrule = shortport.port_or_service(161, "snmp", "udp", {"open", "open|filtered"})

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
local function ask(socket)
  for number, community in ipairs(COMMUNITIES) do
    for version = 0, 1 do
      socket:send(question(version, community, id_of(number, version)))
    end
  end
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
end

action = function(host, port)
  local taken, found = {}, {}
  local socket = nmap.new_socket("udp")
  socket:set_timeout(2000)
  if socket:connect(host, port) then
    -- twice: a datagram may be lost
    for _ = 1, 2 do
      ask(socket)
      heard(socket, taken)
    end
  end
  socket:close()
  for _, community in ipairs(COMMUNITIES) do
    if taken[community] then
      table.insert(found, community)
    end
  end
  if #found > 0 then
    nmap.set_port_state(host, port, "open")
    return {communities = table.concat(found, ", ")}
  end
end
