// Verifies attested documents with the JDK alone. benches/foreign.py starts this program, and
// describes the commands and responses.
//
// With "cached", the program parses the message without the checks of a safe parser, compares the
// leaf with one whose chain was validated, and verifies one RSA signature. With "uncached", it
// parses the leaf and validates its path each time (PKIX, without revocation), including the time
// but not the name. The JDK itself caches parsed certificates and valid signatures on them. The
// program checks neither the rest of the message nor the claims.

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.security.GeneralSecurityException;
import java.security.Signature;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Date;
import java.util.List;
import java.util.Set;

public class Verify {
    private final CertificateFactory factory;
    private final CertPathValidator paths;
    private final Signature signature;
    private final PKIXParameters parameters;
    private final X509Certificate intermediate;
    private byte[] leaf;

    Verify(String root, String intermediate, long seconds) throws GeneralSecurityException {
        factory = CertificateFactory.getInstance("X.509");
        paths = CertPathValidator.getInstance("PKIX");
        signature = Signature.getInstance("SHA256withRSA");
        parameters = new PKIXParameters(Set.of(new TrustAnchor(certificate(Base64.getDecoder().decode(root)), null)));
        parameters.setRevocationEnabled(false);
        parameters.setDate(new Date(seconds * 1000));
        this.intermediate = certificate(Base64.getDecoder().decode(intermediate));
    }

    private X509Certificate certificate(byte[] der) throws GeneralSecurityException {
        return (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(der));
    }

    /** Returns the start and the end of the contents of the element at a position. */
    private static int[] header(byte[] der, int at) {
        int length = der[at + 1] & 0xff;
        int start = at + 2;
        if (length >= 0x80) {
            int size = length - 0x80;
            length = 0;
            for (int n = 0; n < size; n++) length = length << 8 | der[start++] & 0xff;
        }
        return new int[] {start, start + length};
    }

    /** Returns the position of the n-th element inside the element at a position. */
    private static int child(byte[] der, int at, int n) {
        int place = header(der, at)[0];
        for (; n > 0; n--) place = header(der, place)[1];
        return place;
    }

    private static byte[] contents(byte[] der, int at) {
        int[] ends = header(der, at);
        return Arrays.copyOfRange(der, ends[0], ends[1]);
    }

    private void verify(String document, boolean cached) throws GeneralSecurityException {
        byte[] der = Base64.getDecoder().decode(document);
        int signed = child(der, child(der, 0, 1), 0);
        byte[] content = contents(der, child(der, child(der, child(der, signed, 2), 1), 0));
        int place = child(der, child(der, signed, 3), 0);
        int end = header(der, place)[1];
        byte[] value = contents(der, child(der, child(der, child(der, signed, 4), 0), 4));
        if (!cached || leaf == null || !Arrays.equals(der, place, end, leaf, 0, leaf.length)) {
            byte[] found = Arrays.copyOfRange(der, place, end);
            X509Certificate certificate = certificate(found);
            paths.validate(factory.generateCertPath(List.of(certificate, intermediate)), parameters);
            signature.initVerify(certificate.getPublicKey());
            leaf = found;
        }
        signature.update(content);
        if (!signature.verify(value)) throw new GeneralSecurityException("bad signature");
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        Verify verifier = new Verify(lines.readLine(), lines.readLine(), Long.parseLong(lines.readLine()));
        lines.readLine(); // the name
        List<String> kept = new ArrayList<>();
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split(" ");
            if (words[0].equals("keep")) {
                kept.add(words[1]);
                continue;
            }
            boolean cached = words[1].equals("cached");
            try {
                if (words[0].equals("check")) verifier.verify(words[2], cached);
                else for (int n = 0; n < Integer.parseInt(words[2]); n++) verifier.verify(kept.get(n % kept.size()), cached);
                System.out.println("accepted");
            } catch (GeneralSecurityException | IllegalArgumentException | ArrayIndexOutOfBoundsException error) {
                System.out.println("refused: " + error.getMessage());
            }
        }
    }
}
