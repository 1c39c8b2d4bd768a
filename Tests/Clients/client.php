<?php
// Streams, as in file_get_contents.
while (($line = fgets(STDIN)) !== false) {
    [$method, $path, $body] = $words = explode("\t", rtrim($line, "\n"));
    $isStream = $method === "EVENTS";
    $options = ["method" => $isStream ? "GET" : $method, "header" => array_slice($words, 3), "ignore_errors" => true];
    // In HTTP/1.1, PHP waits for 8 KiB before it shows the chunks that have arrived.
    if ($isStream) $options["protocol_version"] = "1.0";
    if ($body !== "-") {
        $options["content"] = $body;
        $options["header"][] = "Content-Type: text/plain";
    }
    $stream = fopen($argv[1] . $path, "r", false, stream_context_create(["http" => $options]));
    $text = "";
    if ($isStream) {
        while ($text === "" && ($event = fgets($stream)) !== false) {
            if (str_starts_with($event, "data: ")) $text = rtrim(substr($event, 6), "\n");
        }
    } else {
        $text = stream_get_contents($stream);
    }
    $fields = stream_get_meta_data($stream)["wrapper_data"];
    $tag = current(preg_grep("/^ETag: /i", $fields)) ?: "ETag: ";
    echo explode(" ", $fields[0])[1], "\t", substr($tag, 6), "\t", str_replace("\n", "\\n", $text), "\n";
    fclose($stream);
}
