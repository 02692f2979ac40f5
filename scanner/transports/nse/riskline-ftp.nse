local ftp = require "ftp"
local shortport = require "shortport"
local string = require "string"

description = [[
Asks whether "anonymous" may log in, and tells the server's own answer. Lists, fetches and stores nothing.
nmap's own ftp-anon says nothing where the server refuses, and nothing where the connection breaks.
]]
author = "Riskline"
license = "Apache-2.0"
categories = {"safe", "discovery"}

portrule = shortport.port_or_service({21, 990}, {"ftp", "ftps"})

-- not logged in, invalid user name or password, a password or an account is wanted (RFC 959, 2228). Others tell
-- nothing of who may come in: 421 "too many connections", 500 "OOPS" of a server that is set up wrongly.
local REFUSALS = {[331] = true, [332] = true, [430] = true, [530] = true}

action = function(host, port)
  local socket, code, message, buffer = ftp.connect(host, port, {request_timeout = 10000})
  if not socket then
    return ("ERROR: %s"):format(code or "no connection")
  end
  if code ~= 220 then
    ftp.close(socket)
    return ("ERROR: greeted by %s"):format(code or "nothing")
  end
  local status
  status, code = ftp.auth(socket, buffer, "anonymous", "nobody@example.org")
  ftp.close(socket)
  if not code then
    return "ERROR: the connection broke before the answer"
  end
  if not status and not REFUSALS[code] then
    return ("ERROR: the login was answered by %s"):format(code)
  end
  return {login = status and "accepted" or "refused", code = tostring(code)}
end
