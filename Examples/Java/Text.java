import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.NativeLong;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;

import java.nio.charset.StandardCharsets;
import java.util.Map;

/** Sets the text to its argument, if it has one, and prints the text and its version. */
public class Text {
    public interface SharedMem extends Library {
        // The encoding is the library's, whatever the locale.
        SharedMem LIBRARY = Native.load("SharedMem", SharedMem.class, Map.of(OPTION_STRING_ENCODING, "UTF-8"));

        Pointer sharedmem_attach_simple(String name, String directory, NativeLong capacity, int flags);
        int sharedmem_detach(Pointer segment);
        int sharedmem_set(Pointer segment, byte[] text, NativeLong length, Version version);
        Pointer sharedmem_get_alloc(Pointer segment, Pointer length, Version version);
        void sharedmem_free(Pointer text);
        String sharedmem_last_error();
    }

    @FieldOrder({"instance", "number"})
    public static class Version extends Structure {
        public long instance, number;
    }

    private static final SharedMem LIBRARY = SharedMem.LIBRARY;

    public static void main(String[] arguments) {
        Pointer segment = LIBRARY.sharedmem_attach_simple(null, null, new NativeLong(0), 0);
        check(segment != null);
        if (arguments.length > 0) {
            byte[] text = arguments[0].getBytes(StandardCharsets.UTF_8);
            check(LIBRARY.sharedmem_set(segment, text, new NativeLong(text.length), null) == 0);
        }

        Version version = new Version();
        Pointer text = LIBRARY.sharedmem_get_alloc(segment, null, version);
        check(text != null);
        System.out.printf("%s%n%016x-%d%n", text.getString(0, "UTF-8"), version.instance, version.number);
        LIBRARY.sharedmem_free(text);
        LIBRARY.sharedmem_detach(segment);
    }

    private static void check(boolean succeeded) {
        if (!succeeded) {
            System.err.println(LIBRARY.sharedmem_last_error());
            System.exit(1);
        }
    }
}
