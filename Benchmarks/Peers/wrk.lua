-- wrk … -s wrk.lua URL -- METHOD BODY-FILE|- ['Header: value' …]
-- Prints the requests a second, and how many of them failed.

function init(arguments)
    wrk.method = arguments[1]
    if arguments[2] ~= "-" then wrk.body = io.open(arguments[2], "rb"):read("*a") end
    for index = 3, #arguments do
        local name, value = arguments[index]:match("^(.-): (.*)$")
        wrk.headers[name] = value
    end
end

function done(summary)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    print("measured", summary.requests / summary.duration * 1e6, failed)
end
