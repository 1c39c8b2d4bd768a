// sharedmem_borrow and sharedmem_release.

#include "handle.h"

#include <pthread.h>

static void borrow_is_the_text_in_place(void) {
    sharedmem_t *segment = attach();
    set(segment, "Esta es una cadena de prueba");
    sharedmem_borrow_t one, two;
    CHECK(sharedmem_borrow(segment, &one) == 0 && sharedmem_borrow(segment, &two) == 0);
    CHECK(borrow_holds(&one, "Esta es una cadena de prueba"));
    CHECK(one.text == two.text);
    CHECK(one.version.number == 1 && one.publication_time / 1000000000 > 1700000000);
    sharedmem_release(segment, &one);
    CHECK(one.text == NULL && one.length == 0);
    sharedmem_release(segment, &one);
    CHECK(borrow_holds(&two, "Esta es una cadena de prueba"));
    sharedmem_release(segment, &two);
    CHECK(sharedmem_detach(segment) == 0);
}

static void borrow_stays_while_others_set(void) {
    sharedmem_t *segment = attach(), *other = attach();
    set(segment, "primero");
    sharedmem_borrow_t borrow;
    CHECK(sharedmem_borrow(segment, &borrow) == 0);
    for (int i = 0; i < 10000; i++) set(other, i % 2 ? "segundo" : "tercero");
    CHECK(borrow_holds(&borrow, "primero") && borrow.version.number == 1);
    CHECK(holds(segment, "segundo"));
    sharedmem_release(segment, &borrow);
    CHECK(sharedmem_detach(segment) == 0 && sharedmem_detach(other) == 0);
}

static void detach_is_refused(sharedmem_t *segment) {
    sharedmem_borrow_t borrow;
    CHECK(sharedmem_borrow(segment, &borrow) == 0);
    REFUSED(sharedmem_detach(segment), EBUSY);
    CHECK(borrow.text && holds(segment, borrow.length ? "texto" : ""));
    sharedmem_release(segment, &borrow);
    CHECK(sharedmem_detach(segment) == 0);
}

static void detach_is_refused_while_a_borrow_is_open(void) {
    detach_is_refused(attach()); // of the empty text, that no slot holds
    sharedmem_t *keeper = attach_with(0, SHAREDMEM_PERSISTENT);
    set(keeper, "texto");
    detach_is_refused(attach_with(0, SHAREDMEM_READ_ONLY)); // of a copy
    sharedmem_borrow_t borrow;
    CHECK(sharedmem_borrow(keeper, &borrow) == 0);
    CHECK(attach() == keeper && sharedmem_detach(keeper) == 0); // not the last use
    sharedmem_release(keeper, &borrow);
    detach_is_refused(keeper);
    CHECK(sharedmem_unlink("test", NULL) == 0);
}

static void a_forked_child_cannot_release_what_its_parent_has_borrowed(void) {
    sharedmem_t *segment = attach();
    set(segment, "padre");
    sharedmem_borrow_t borrow;
    CHECK(sharedmem_borrow(segment, &borrow) == 0);
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            sharedmem_borrow_t own;
            if (i == 1) CHECK(sharedmem_borrow(segment, &own) == 0 && borrow_holds(&own, "padre"));
            REFUSED(sharedmem_release(segment, &borrow), EINVAL);
            CHECK(borrow.text == NULL && sharedmem_release(segment, &borrow) == 0);
            if (i == 1) CHECK(sharedmem_release(segment, &own) == 0);
            for (int round = 0; round < 400; round++) set(segment, "hijo");
            _exit(0);
        }
        end_well(child);
        CHECK(borrow_holds(&borrow, "padre"));
        set(segment, "padre");
    }
    CHECK(sharedmem_release(segment, &borrow) == 0 && sharedmem_detach(segment) == 0);
}

static void more_borrows_than_pins_are_copies(void) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.pin_count = 64;
    sharedmem_t *segment = sharedmem_attach("test", &options);
    set(segment, "texto");
    sharedmem_borrow_t borrows[100];
    for (int i = 0; i < 100; i++) CHECK(sharedmem_borrow(segment, &borrows[i]) == 0);
    set(segment, "otro");
    for (int i = 0; i < 100; i++) {
        CHECK(borrow_holds(&borrows[i], "texto"));
        CHECK((borrows[i].text == borrows[0].text) == (i < 64));
    }
    for (int i = 0; i < 100; i++) {
        REFUSED(sharedmem_detach(segment), EBUSY);
        sharedmem_release(segment, &borrows[i]);
    }
    CHECK(sharedmem_detach(segment) == 0);
}

static sharedmem_t *shared_segment;

static void *release(void *borrow) {
    sharedmem_release(shared_segment, borrow);
    return NULL;
}

static void any_thread_may_release(void) {
    shared_segment = attach();
    set(shared_segment, "texto");
    sharedmem_borrow_t borrow;
    CHECK(sharedmem_borrow(shared_segment, &borrow) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, release, &borrow) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(sharedmem_detach(shared_segment) == 0);
}

static void *borrow_and_set(void *number) {
    char text[300];
    memset(text, 'a' + *(int *)number, sizeof text);
    for (int i = 0; i < 20000; i++) {
        sharedmem_borrow_t borrow;
        CHECK(sharedmem_borrow(shared_segment, &borrow) == 0);
        for (size_t each = 1; each < borrow.length; each++) CHECK(borrow.text[each] == borrow.text[0]);
        CHECK(borrow.length == 0 || borrow.length == (size_t)(borrow.text[0] - 'a' + 1) * 50);
        if (i % 8 == 0) CHECK(sharedmem_set(shared_segment, text, (size_t)(*(int *)number + 1) * 50, NULL) == 0);
        sharedmem_release(shared_segment, &borrow);
    }
    return NULL;
}

static void threads_share_a_handle(void) {
    shared_segment = attach();
    pthread_t threads[4];
    int numbers[4] = {0, 1, 2, 3};
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, borrow_and_set, &numbers[i]) == 0);
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    sharedmem_version_t version;
    CHECK(sharedmem_version(shared_segment, &version) == 0 && version.number == 10000);
    CHECK(sharedmem_detach(shared_segment) == 0);
}

MAIN(TEST(borrow_is_the_text_in_place), TEST(borrow_stays_while_others_set),
     TEST(detach_is_refused_while_a_borrow_is_open),
     TEST(a_forked_child_cannot_release_what_its_parent_has_borrowed), TEST(more_borrows_than_pins_are_copies),
     TEST(any_thread_may_release), TEST(threads_share_a_handle))
