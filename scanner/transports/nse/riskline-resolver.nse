local comm = require "comm"
local shortport = require "shortport"
local string = require "string"

description = [[
Asks a DNS server for the name servers of the root and wishes for recursion: the answer says whether this client gets it.
]]
author = "Riskline"
license = "Apache-2.0"
categories = {"safe", "discovery"}

portrule = shortport.port_or_service(53, "domain", {"tcp", "udp"})

action = function(host, port)
  -- RFC 1035, section 4.1: identifier, recursion desired, one question: the root, type NS, class IN
  local question = string.pack(">I2I2I2I2I2I2BI2I2", 0x524c, 0x0100, 1, 0, 0, 0, 0, 2, 1)
  local tcp = port.protocol == "tcp"
  local status, answer = comm.exchange(host, port, tcp and string.pack(">s2", question) or question, {timeout = 5000})
  if not status then
    return ("ERROR: %s"):format(answer or "no answer")
  end
  answer = tcp and answer:sub(3) or answer
  if #answer < 12 then
    return "ERROR: an answer that is too short"
  end
  local id, flags = string.unpack(">I2I2", answer)
  if id ~= 0x524c or flags & 0x8000 == 0 then
    return "ERROR: no answer to this question"
  end
  return {recursion = flags & 0x0080 ~= 0 and "yes" or "no", code = tostring(flags & 0x000f)}
end
