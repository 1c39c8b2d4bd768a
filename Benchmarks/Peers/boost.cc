// Text in boost.interprocess's managed memory, copied under its sharable mutex. See timing.h.

#include "timing.h"

#include <boost/interprocess/managed_mapped_file.hpp>
#include <boost/interprocess/sync/interprocess_sharable_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/interprocess/sync/sharable_lock.hpp>

#include <cstring>
#include <memory>
#include <string>

namespace ipc = boost::interprocess;

namespace {

struct Text {
    ipc::interprocess_sharable_mutex mutex;
    std::size_t length;
    ipc::offset_ptr<char> bytes;
};

struct Opened {
    const job *of;
    ipc::managed_mapped_file file; // on a tmpfs, just as managed_shared_memory is
    Text *text;
    std::unique_ptr<char[]> buffer;
};

std::string path(const job *job) { return std::string(job->directory) + "/boost"; }

void create(const job *job) {
    ipc::managed_mapped_file file(ipc::create_only, path(job).c_str(), job->length + (1 << 16));
    Text *text = file.construct<Text>("text")();
    text->length = job->length;
    text->bytes = static_cast<char *>(file.allocate(job->length));
    std::memcpy(text->bytes.get(), job->text, job->length);
}

void *open(const job *job) {
    auto opened = new Opened{job, {ipc::open_only, path(job).c_str()}, nullptr, nullptr};
    opened->text = opened->file.find<Text>("text").first;
    opened->buffer.reset(new char[job->length]);
    return opened;
}

void close(void *object) { delete static_cast<Opened *>(object); }

uintptr_t read(void *object, long count) {
    auto opened = static_cast<Opened *>(object);
    Text &text = *opened->text;
    uintptr_t sum = 0;
    while (count-- > 0) {
        ipc::sharable_lock<ipc::interprocess_sharable_mutex> lock(text.mutex);
        std::memcpy(opened->buffer.get(), text.bytes.get(), text.length);
        sum += static_cast<unsigned char>(opened->buffer[0]) + text.length;
    }
    return sum;
}

void write(void *object, long count) {
    auto opened = static_cast<Opened *>(object);
    Text &text = *opened->text;
    while (count-- > 0) {
        ipc::scoped_lock<ipc::interprocess_sharable_mutex> lock(text.mutex);
        text.length = opened->of->length;
        std::memcpy(text.bytes.get(), opened->of->text, text.length);
    }
}

} // namespace

int main(int argc, char **argv) {
    static const peer peers[] = {{"boost", create, open, close, read, write}};
    return measure_peers(argc, argv, peers, 1);
}
