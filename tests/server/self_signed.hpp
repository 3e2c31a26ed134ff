#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace net_test {

template <auto Free>
struct Freed {
    template <typename T>
    void operator()(T* object) const {
        Free(object);
    }
};

/// A folder with a fresh P-256 key and a certificate signed by it, for `name`.
class SelfSigned {
public:
    explicit SelfSigned(const std::string& name) {
        std::string pattern = (std::filesystem::temp_directory_path() / "net_tls_XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        write(name);
    }
    ~SelfSigned() { std::filesystem::remove_all(folder_); }

    void write(const std::string& name) const {
        const std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>> key(EVP_EC_gen("P-256"));
        const std::unique_ptr<X509, Freed<X509_free>> certificate(X509_new());
        X509_set_version(certificate.get(), 2);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
        X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
        X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
        X509_set_pubkey(certificate.get(), key.get());
        X509_NAME* subject = X509_get_subject_name(certificate.get());
        X509_NAME_add_entry_by_txt(
            subject,
            "CN",
            MBSTRING_ASC,
            reinterpret_cast<const unsigned char*>(name.c_str()),
            -1,
            -1,
            0
        );
        X509_set_issuer_name(certificate.get(), subject);
        X509_sign(certificate.get(), key.get(), EVP_sha256());
        const std::unique_ptr<FILE, Freed<std::fclose>> key_out(std::fopen(key_file().c_str(), "w")
        );
        PEM_write_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
        const std::unique_ptr<FILE, Freed<std::fclose>> out(
            std::fopen(certificate_file().c_str(), "w")
        );
        PEM_write_X509(out.get(), certificate.get());
    }
    [[nodiscard]] std::string certificate_file() const { return (folder_ / "cert.pem").string(); }
    [[nodiscard]] std::string key_file() const { return (folder_ / "key.pem").string(); }

private:
    std::filesystem::path folder_;
};

}  // namespace net_test
