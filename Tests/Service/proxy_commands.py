"""How each proxy is run in a directory of its own, with a configuration from the document."""
import os
import pathlib
import re
import subprocess

from proxy_document import PASSED

os.environ["PATH"] += ":/usr/sbin"
NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"


def write(directory, text):
    pathlib.Path(directory, "conf").write_text(text)


def nginx(block, directory, form):
    user = "user root;\n" if os.geteuid() == 0 else ""
    common = f"{user}daemon off;\npid {directory}/pid;\nevents {{}}\n"
    if form == PASSED:
        module = f"load_module {NGINX_STREAM};\n" if os.path.exists(NGINX_STREAM) else ""
        write(directory, f"{module}{common}stream {{\n{block}}}\n")
    else:
        paths = "".join(f"{name}_temp_path {directory}/{name};\n"
                        for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
        write(directory, f"{common}http {{\naccess_log off;\n{paths}{block}}}\n")
    return ["nginx", "-c", f"{directory}/conf", "-p", directory, "-e", f"{directory}/log"]


def haproxy(block, directory, form):
    write(directory, block)
    return ["haproxy", "-db", "-f", f"{directory}/conf"]


def apache(block, directory, form):
    modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                      for name in ["mpm_event", "authz_core", "env", "deflate", "filter", "headers", "proxy", "proxy_http",
                                   "ssl"])
    port = re.search(r"VirtualHost \*:(\d+)", block).group(1)
    user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
    write(directory, f"{modules}ServerRoot {directory}\nServerName localhost\nListen 127.0.0.1:{port}\n{user}"
                     f"PidFile {directory}/pid\nDefaultRuntimeDir {directory}\nErrorLog {directory}/log\n"
                     f"AddOutputFilterByType DEFLATE text/plain\n{block}")
    return ["apache2", "-DFOREGROUND", "-f", f"{directory}/conf"]


def caddy(block, directory, form):
    write(directory, "{\n    admin off\n    auto_https off\n}\n" + block)
    return ["caddy", "run", "--config", f"{directory}/conf", "--adapter", "caddyfile"]


def varnish(block, directory, form):
    port = re.search(r"-a [^ ]*:(\d+)", block).group(1)
    write(directory, block)
    return ["varnishd", "-F", "-j", "none", "-n", f"{directory}/work", "-a", f"127.0.0.1:{port}", "-s", "malloc,32m",
            "-f", f"{directory}/conf"]


def lighttpd(block, directory, form):
    write(directory, f'server.document-root = "{directory}"\nserver.upload-dirs = ("{directory}")\n{block}')
    return ["lighttpd", "-D", "-f", f"{directory}/conf"]


def squid(block, directory, form):
    write(directory, f"{block}visible_hostname localhost\npid_filename {directory}/pid\ncache_log {directory}/log\n"
                     f"access_log none\ncoredump_dir {directory}\npinger_enable off\nshutdown_lifetime 1 seconds\n")
    return ["squid", "-N", "-f", f"{directory}/conf"]


def squid_verifies():
    """Whether Squid was built with OpenSSL: with GnuTLS, it accepts any certificate of a server."""
    return "--with-openssl" in subprocess.run(["squid", "-v"], capture_output=True, text=True).stdout


PROXIES = {
    "nginx": (nginx, "nginx"), "haproxy": (haproxy, "haproxy"), "apache": (apache, "apache2"), "caddy": (caddy, "caddy"),
    "varnish": (varnish, "varnishd"), "lighttpd": (lighttpd, "lighttpd"), "squid": (squid, "squid"),
}
