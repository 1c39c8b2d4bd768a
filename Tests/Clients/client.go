// net/http
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		words := strings.Split(lines.Text(), "\t")
		method, isStream := words[0], words[0] == "EVENTS"
		if isStream {
			method = "GET"
		}
		var body io.Reader
		if words[2] != "-" {
			body = strings.NewReader(words[2])
		}
		request, _ := http.NewRequest(method, os.Args[1]+words[1], body)
		for _, field := range words[3:] {
			name, value, _ := strings.Cut(field, ": ")
			request.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		text := ""
		if isStream {
			events := bufio.NewScanner(response.Body)
			for events.Scan() && text == "" {
				text = strings.TrimPrefix(events.Text(), "data: ")
				if text == events.Text() {
					text = ""
				}
			}
		} else {
			bytes, _ := io.ReadAll(response.Body)
			text = string(bytes)
		}
		response.Body.Close()
		fmt.Printf("%d\t%s\t%s\n", response.StatusCode, response.Header.Get("ETag"), strings.ReplaceAll(text, "\n", "\\n"))
	}
}
