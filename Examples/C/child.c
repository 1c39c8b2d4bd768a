// Reads the text that its parent, parent.c, has set.

#include <sharedmem.h>

#include <locale.h>
#include <stdio.h>

int main(int argc, char *argv[]) {
    (void)argc;
    setlocale(LC_ALL, ""); // Without it, printf could not convert every character of %ls.

    wchar_t text[260];
    GetSharedMem(text, 260);
    if (*sharedmem_last_error()) {
        fprintf(stderr, "%s: %s\n", argv[0], sharedmem_last_error());
        return 1;
    }
    printf("Child process read from shared memory: %ls\n", text);
    return 0;
}
