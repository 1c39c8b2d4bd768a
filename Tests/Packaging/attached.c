// Stays attached: for each line of input, prints the version and the text.
#include <sharedmem.h>
#include <stdio.h>

int main(int count, char **arguments) {
    sharedmem_t *segment = sharedmem_attach(count > 1 ? arguments[1] : NULL, NULL);
    if (!segment) return fprintf(stderr, "%s\n", sharedmem_last_error()), 1;
    while (getchar() != EOF) {
        char version[SHAREDMEM_VERSION_SIZE];
        sharedmem_borrow_t borrow;
        if (sharedmem_borrow(segment, &borrow) != 0) return fprintf(stderr, "%s\n", sharedmem_last_error()), 1;
        sharedmem_version_format(borrow.version, version);
        printf("%s %.*s\n", version, (int)borrow.length, borrow.text);
        fflush(stdout);
        sharedmem_release(segment, &borrow);
    }
    return sharedmem_detach(segment) != 0;
}
