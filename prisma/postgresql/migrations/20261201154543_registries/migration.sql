-- AlterTable
ALTER TABLE "Resource" ADD COLUMN     "description" TEXT,
ADD COLUMN     "title" TEXT,
ADD COLUMN     "version" TEXT NOT NULL DEFAULT '1.0.0';

-- CreateTable
CREATE TABLE "SkillBundle" (
    "id" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "frontMatter" JSONB NOT NULL,
    "format" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "size" INTEGER NOT NULL,
    "unpackedSize" INTEGER NOT NULL,
    "files" INTEGER NOT NULL,
    "seal" TEXT NOT NULL,
    "sealedBy" TEXT NOT NULL,
    "publishedBy" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "yankedAt" TIMESTAMP(3),
    "yankedReason" TEXT,
    "revision" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "SkillBundle_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "SkillArchive" (
    "bundleId" TEXT NOT NULL,
    "content" BYTEA NOT NULL,

    CONSTRAINT "SkillArchive_pkey" PRIMARY KEY ("bundleId")
);

-- CreateTable
CREATE TABLE "ThirdPartySource" (
    "id" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "headerNames" JSONB NOT NULL DEFAULT '[]',
    "sealedHeaders" TEXT,
    "sealedBy" TEXT,
    "createdBy" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "askedAt" TIMESTAMP(3),
    "status" INTEGER,
    "error" TEXT,
    "fetchedAt" TIMESTAMP(3),
    "revision" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "ThirdPartySource_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ThirdPartyDocument" (
    "sourceId" TEXT NOT NULL,
    "content" TEXT NOT NULL,
    "etag" TEXT,

    CONSTRAINT "ThirdPartyDocument_pkey" PRIMARY KEY ("sourceId")
);

-- CreateIndex
CREATE INDEX "SkillBundle_createdAt_id_idx" ON "SkillBundle"("createdAt", "id");

-- CreateIndex
CREATE INDEX "SkillBundle_organizationId_createdAt_id_idx" ON "SkillBundle"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "SkillBundle_organizationId_name_version_key" ON "SkillBundle"("organizationId", "name", "version");

-- CreateIndex
CREATE INDEX "ThirdPartySource_createdAt_id_idx" ON "ThirdPartySource"("createdAt", "id");

-- CreateIndex
CREATE INDEX "ThirdPartySource_organizationId_createdAt_id_idx" ON "ThirdPartySource"("organizationId", "createdAt", "id");

-- AddForeignKey
ALTER TABLE "SkillBundle" ADD CONSTRAINT "SkillBundle_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "SkillArchive" ADD CONSTRAINT "SkillArchive_bundleId_fkey" FOREIGN KEY ("bundleId") REFERENCES "SkillBundle"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ThirdPartySource" ADD CONSTRAINT "ThirdPartySource_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ThirdPartyDocument" ADD CONSTRAINT "ThirdPartyDocument_sourceId_fkey" FOREIGN KEY ("sourceId") REFERENCES "ThirdPartySource"("id") ON DELETE CASCADE ON UPDATE CASCADE;
