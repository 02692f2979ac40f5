local shortport = require "shortport"
local smtp = require "smtp"
local string = require "string"

description = [[
Names a sender and a recipient that are both of reserved domains (RFC 2606) and tells whether the server would take the
message. No message is ever sent: the dialogue ends before DATA.
]]
author = "Riskline"
license = "Apache-2.0"
categories = {"safe", "discovery"}

portrule = shortport.port_or_service({25, 465, 587}, {"smtp", "smtps", "submission"})

local function code_of(answer)
  return type(answer) == "string" and answer:match("^(%d%d%d)") or nil
end

action = function(host, port)
  local socket, greeting = smtp.connect(host, port, {ssl = true, timeout = 10000, recv_before = true, lines = 1})
  if not socket then
    return ("ERROR: %s"):format(greeting or "no connection")
  end
  if code_of(greeting) ~= "220" then
    smtp.quit(socket)
    return ("ERROR: greeted by %s"):format(code_of(greeting) or "nothing")
  end
  local said
  -- HELO and not EHLO: its answer is one line, so that no rest of it is taken for the next answer
  for _, step in ipairs({
    {"HELO", "scanner.example.org"},
    {"MAIL", "FROM:<nobody@example.org>"},
    {"RCPT", "TO:<nobody@example.net>"},
  }) do
    local status
    status, said = smtp.query(socket, step[1], step[2])
    local code = status and code_of(said)
    if not code then
      return ("ERROR: %s was not answered"):format(step[1])
    end
    if step[1] == "RCPT" or code ~= "250" then
      smtp.quit(socket)
      return {at = step[1], code = code, why = said:match("^%d%d%d[ -](%d%.%d%d?%d?%.%d%d?%d?)%f[^%d]") or ""}
    end
  end
end
