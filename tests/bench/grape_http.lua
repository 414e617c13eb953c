-- wrk script: one kind of request, and the results as one JSON line. Arguments: the kind, a word that makes names unique, a hash.
local kind, word, hash = nil, nil, nil
local counter = 0

local function body_of()
  counter = counter + 1
  if kind == "lookup_distinct" then return "/lookup", string.format('{"data":"%s-%d"}', word, counter) end
  if kind == "lookup_one" then return "/lookup", '{"data":"bench-service"}' end
  if kind == "announce" then return "/announce", string.format('{"data":["%s-%d",1337]}', word, counter % 1000) end
  if kind == "put" then return "/put", string.format('{"data":{"v":"%s %d"}}', word, counter) end
  return "/get", string.format('{"data":"%s"}', hash)
end

function init(args)
  kind, word, hash = args[1], args[2], args[3]
end

function request()
  local path, body = body_of()
  return wrk.format("POST", path, nil, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.3f,"p50_us":%d,"p99_us":%d,"errors":%d}\n', summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
