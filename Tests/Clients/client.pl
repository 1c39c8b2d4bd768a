# HTTP::Tiny
use strict;
use warnings;
use HTTP::Tiny;

$| = 1;
my $http = HTTP::Tiny->new(keep_alive => 1, timeout => 30);
while (my $line = <STDIN>) {
    chomp $line;
    my ($method, $path, $body, @fields) = split /\t/, $line, -1;
    my %options = (headers => {map { split /: /, $_, 2 } @fields});
    $options{content} = $body if $body ne "-";
    my $text = "";
    my $received = "";
    my $stream = $method eq "EVENTS";
    $options{data_callback} = sub {
        $received .= $_[0];
        return unless $received =~ /^data: (.*)\n/m;
        $text = $1;
        die "left\n";
    } if $stream;
    my $response = $http->request($stream ? "GET" : $method, $ARGV[0] . $path, \%options);
    $text = $response->{content} // "" unless $stream;
    $text =~ s/\n/\\n/g;
    # HTTP::Tiny reports what ends a callback as status 599.
    my $status = $stream && $text ne "" ? 200 : $response->{status};
    print join("\t", $status, $response->{headers}{etag} // "", $text), "\n";
}
