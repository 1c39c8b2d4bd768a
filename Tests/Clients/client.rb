# Net::HTTP
require "net/http"

$stdout.sync = true
base = URI(ARGV[0])
Net::HTTP.start(base.host, base.port) do |http|
  $stdin.each_line(chomp: true) do |line|
    method, path, body, *fields = line.split("\t", -1)
    stream = method == "EVENTS"
    request = Net::HTTPGenericRequest.new(stream ? "GET" : method, body != "-", method != "HEAD", path)
    fields.each { |field| request[field.split(": ", 2)[0]] = field.split(": ", 2)[1] }
    request.body = body if body != "-"
    if stream
      Net::HTTP.start(base.host, base.port) do |own|
        catch(:left) do
          own.request(request) do |response|
            received = +""
            response.read_body do |piece|
              received << piece
              next unless (text = received[/^data: (.*)\n/, 1])
              puts [response.code, response["ETag"], text].join("\t")
              own.finish
              throw :left
            end
          end
        end
      rescue IOError
        nil # the connection that it has finished itself
      end
    else
      response = http.request(request)
      puts [response.code, response["ETag"], (response.body || "").force_encoding("UTF-8").gsub("\n", "\\n")].join("\t")
    end
  end
end
