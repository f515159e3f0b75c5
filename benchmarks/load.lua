-- Requests for wrk, given as arguments: the method, a content type, a token, and a file with a line "path body" for
-- each request, taken in turn.  Ends with a line of figures for the program that started it.

local requests = {}
local turn = 0

function init(args)
    local method, token = args[1], args[2]
    local headers = { ["Content-Type"] = "application/json" }
    if token ~= "-" then headers["Authorization"] = "Bearer " .. token end
    for line in io.lines(args[3]) do
        local path, body = line:match("^(%S+)%s?(.*)$")
        requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

function done(summary, latency, _)
    local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
    io.write(string.format("FIGURES %d %d %d %d %d\n", summary.requests, summary.duration,
        latency:percentile(50), latency:percentile(99), failed))
end
