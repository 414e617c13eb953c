-- wrk script: an RPC request, the same each time.
wrk.method = "POST"
wrk.body = '["c1f6bd26-b2c2-4d1e-8b8a-0d1b0c8a6a11","bench",{"hello":"world","number":42}]'

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.3f,"p50_us":%d,"p99_us":%d,"errors":%d}\n', summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
