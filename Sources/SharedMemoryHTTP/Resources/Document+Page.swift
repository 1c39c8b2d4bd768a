import HTTPMessages
import MicroHTTPD

extension Document {
    /// The page that shows the text in a browser: `Page/page.html` with the style sheet and the scripts that it refers to.
    ///
    /// A browser uses this style sheet and runs this script, and no others: the policy has their digests.
    static let page = makePage()

    private static func makePage() -> Document {
        var style = compact(PackageResources.page_css)
        for mark in ["{", "}", ":", ";", ","] {
            // Only a colon may need the blank before it, in a selector.
            if mark != ":" { style.replace(" " + mark, with: mark) }
            style.replace(mark + " ", with: mark)
        }
        var html = compact(PackageResources.page_html)
        html.replace(#"<link rel="stylesheet" href="page.css">"#, with: "<style>\(style)</style>")
        var script = ""
        for (name, bytes) in scripts {
            html.replace("<script src=\"\(name)\"></script>\n", with: "")
            script += compact(bytes) + "\n"
        }
        html.replace("</body>", with: "<script>\(script)</script>\n</body>")
        let policy =
            "default-src 'none'; script-src 'sha256-\(Digest.sha256(Array(script.utf8)))'; "
            + "style-src 'sha256-\(Digest.sha256(Array(style.utf8)))'; img-src data:; connect-src 'self'; "
            + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
        let fields = [
            ResponseField(.contentType, "text/html; charset=utf-8"), ResponseField(.contentSecurityPolicy, policy),
            ResponseField(.contentTypeOptions, "nosniff"), ResponseField(.referrerPolicy, "no-referrer"),
        ]
        return Document(Array(html.utf8), fields, vary: "Accept")
    }

    private static var scripts: [(name: String, bytes: [UInt8])] {
        [
            ("difference.js", PackageResources.difference_js), ("yaml.js", PackageResources.yaml_js),
            ("toml.js", PackageResources.toml_js), ("syntax.js", PackageResources.syntax_js),
            ("client.js", PackageResources.client_js), ("charts.js", PackageResources.charts_js),
            ("dialogs.js", PackageResources.dialogs_js), ("page.js", PackageResources.page_js),
            ("view.js", PackageResources.view_js),
        ]
    }

    /// A file of the page without indentation, empty lines, and lines that are comments.
    private static func compact(_ file: [UInt8]) -> String {
        String(decoding: file, as: UTF8.self).split(separator: "\n").map { $0.drop { $0 == " " } }
            .filter { !$0.isEmpty && !$0.hasPrefix("//") }.joined(separator: "\n")
    }
}
