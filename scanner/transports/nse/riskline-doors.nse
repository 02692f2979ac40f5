local http = require "http"
local shortport = require "shortport"
local string = require "string"
local table = require "table"

description = [[
Asks a web server for pages that only databases, clusters and admin interfaces have, and only for those that may come in:
each once, without a login, and without following it elsewhere. Nothing but reading is asked for.
]]
author = "Riskline"
license = "Apache-2.0"
categories = {"safe", "discovery"}

-- a web server that nmap has no name for is told by what it answered to nmap
portrule = function(host, port)
  local said = port.version and port.version.service_fp
  return shortport.http(host, port) or (port.protocol == "tcp" and said ~= nil and said:find("HTTP/1\\%.[01]\\x20") ~= nil)
end

-- Name of the product, its page, and words that the page has all of where it opens without a login.
local DOORS = {
  {"Elasticsearch or OpenSearch", "/", '"cluster_name"', '"lucene_version"'},
  {"CouchDB", "/_all_dbs", "^%s*%[.*%]%s*$", header = {"server", "CouchDB"}},
  {"Consul or Nomad", "/v1/agent/self", '"[Cc]onfig"', '"[Mm]ember"'},
  {"Kubernetes", "/api/v1/namespaces", '"kind"%s*:%s*"NamespaceList"'},
  {"Kubelet", "/pods", '"kind"%s*:%s*"PodList"'},
  {"Docker", "/version", '"ApiVersion"', '"MinAPIVersion"'},
  {"etcd", "/v3/kv/range", '"cluster_id"', '"raft_term"', body = '{"key":"AA==","range_end":"AA==","count_only":true}',
    only = {"/version", '"etcdserver"'}},
  {"etcd", "/v2/keys/", '"action"%s*:%s*"get"'},
  {"Prometheus", "/api/v1/status/config", '"status"%s*:%s*"success"', '"yaml"'},
  {"InfluxDB", "/query?q=SHOW%20DATABASES", '"results"', '"series"', header = {"x%-influxdb%-version", "."}},
  {"Solr", "/solr/admin/info/system?wt=json", '"solr_home"'},
  {"Hadoop YARN", "/ws/v1/cluster/info", '"clusterInfo"'},
  {"Jupyter", "/api/contents?content=0", '"last_modified"', '"mimetype"'},
  {"Jenkins", "/script", "Script Console", header = {"x%-jenkins", "."}},
  {"Spring Boot", "/actuator/env", '"propertySources"'},
  {"Traefik", "/api/rawdata", '"routers"', '"services"'},
}

local OPTIONS = {redirect_ok = false, timeout = 8000, max_body_size = 1 << 18, truncated_ok = true, no_cache = true}

local function header_of(answer, name, value)
  for key, said in pairs(answer.header or {}) do
    if key:lower():find("^" .. name .. "$") and tostring(said):find(value) then
      return true
    end
  end
  return false
end

local function opens(door, answer)
  if answer.status ~= 200 or type(answer.body) ~= "string" then
    return false
  end
  if door.header and not header_of(answer, door.header[1], door.header[2]) then
    return false
  end
  for at = 3, #door do
    if not answer.body:find(door[at]) then
      return false
    end
  end
  return true
end

-- "open", "shut", or nil where the answer does not tell; half an answer that is no page tells enough.
local function state_of(host, port, door)
  local answer
  if door.only then
    -- a question that is no plain GET goes to nobody but the product itself
    local said = http.get(host, port, door.only[1], OPTIONS)
    if not (said.body or ""):find(door.only[2]) then
      return said.status and "shut" or nil
    end
  end
  if door.body then
    answer = http.post(host, port, door[2], OPTIONS, nil, door.body)
  else
    answer = http.get(host, port, door[2], OPTIONS)
  end
  local whole = answer.status ~= nil
  answer = whole and answer or answer.incomplete or {}
  if opens(door, answer) then
    return "open"
  end
  return answer.status and (whole or answer.status ~= 200) and "shut" or nil
end

action = function(host, port)
  local found, known = {}, {}
  for _, door in ipairs(DOORS) do
    local state = state_of(host, port, door)
    if not state then
      return ("ERROR: %s was not answered"):format(door[2])
    end
    if state == "open" and not known[door[1]] then
      known[door[1]] = true
      table.insert(found, door[1])
    end
  end
  -- never empty: a list without anything in it could not be told from silence
  return {asked = tostring(#DOORS), open = table.concat(found, ", ")}
end
